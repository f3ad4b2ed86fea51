const { als, cb, hooks, line, onEmpty, start } = require('./harness');
start();
const say = (what) => line(`  [${what} store=${als.getStore()}]`);
const hook = hooks.createHook({
  init() { say('init'); },
  before() { say('before'); },
  after() { say('after'); },
  destroy() { say('destroy'); },
}).enable();
onEmpty(() => hook.disable());
const resource = als.run('A', () => new hooks.AsyncResource('R', { requireManualDestroy: true }));
als.run('B', () => setTimeout(() => {
  als.enterWith('C');
  resource.runInAsyncScope(() => cb('resource'));
  resource.emitDestroy();
}, 1));
