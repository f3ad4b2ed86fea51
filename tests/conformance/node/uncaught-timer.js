const { als, cb, start } = require('./harness');
start();
process.on('uncaughtException', (error) => cb(`uncaughtException-${error.message}`));
als.run('A', () => setTimeout(() => {
  cb('t');
  throw new Error('boom');
}, 1));
als.run('B', () => setTimeout(() => cb('t2-same-list'), 1));
