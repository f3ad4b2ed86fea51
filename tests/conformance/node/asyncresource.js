const { als, cb, hooks, start } = require('./harness');
start();
const resource = als.run('A', () => new hooks.AsyncResource('MYRES'));
function inside(x, y) {
  cb(`in-scope args=${x}${y}`);
  return 42;
}
cb('outside');
als.run('B', () => cb(`ret=${resource.runInAsyncScope(inside, null, 'x', 'y')}`));
resource.emitDestroy();
setImmediate(() => cb('later'));
