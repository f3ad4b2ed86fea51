const { als, cb, hooks, start } = require('./harness');
start();
process.on('uncaughtException', (error) => cb(`uncaughtException-${error.message}`));
const manual = { requireManualDestroy: true };
const outer = als.run('OUTER', () => new hooks.AsyncResource('OUTER', manual));
const inner = als.run('INNER', () => new hooks.AsyncResource('INNER', manual));
function fail() {
  cb('fail');
  throw new Error('boom');
}
als.run('A', () => setTimeout(() => {
  outer.runInAsyncScope(() => als.run('B', () => inner.runInAsyncScope(fail)));
}, 1));
