const { als, cb, start } = require('./harness');
start();
process.on('uncaughtException', (error) => cb(`uncaughtException-${error.message}`));
als.run('A', () => setImmediate(() => {
  process.nextTick(() => cb('tick'));
  throw new Error('boom');
}));
als.run('B', () => setImmediate(() => cb('second')));
