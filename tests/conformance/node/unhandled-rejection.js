const { als, cb, start } = require('./harness');
start();
process.on('unhandledRejection', (error) => cb(`unhandledRejection-${error.message}`));
async function fail() {
  await 0;
  throw new Error('async-boom');
}
als.run('A', () => { Promise.reject(new Error('boom')); });
als.run('B', fail);
