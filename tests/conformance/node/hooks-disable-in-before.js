const { cb, hooks, line, start } = require('./harness');
start();
const hook = hooks.createHook({
  init(id, type) { line(`  [h init ${type}]`); },
  before() {
    line('  [h before]');
    hook.disable();
  },
  after() { line('  [h after]'); },
  destroy() { line('  [h destroy]'); },
}).enable();
setTimeout(() => cb('t1'), 1);
setTimeout(() => cb('t2'), 20);
