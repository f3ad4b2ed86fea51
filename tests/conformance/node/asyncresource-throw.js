const { als, cb, hooks, start } = require('./harness');
start();
const resource = als.run('A', () => new hooks.AsyncResource('R', { requireManualDestroy: true }));
function fail() {
  cb('in');
  throw new Error('x');
}
als.run('B', () => {
  try {
    resource.runInAsyncScope(fail);
  } catch {
    cb('caught');
  }
});
