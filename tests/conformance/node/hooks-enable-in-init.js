const { cb, hooks, line, onEmpty, start } = require('./harness');
start();
const second = hooks.createHook({
  init(id, type) { line(`  [h2 init ${type}]`); },
  before() { line('  [h2 before]'); },
  after() { line('  [h2 after]'); },
  destroy() { line('  [h2 destroy]'); },
});
const first = hooks.createHook({
  init(id, type) {
    line(`  [h1 init ${type}]`);
    second.enable();
    first.disable();
  },
  before() { line('  [h1 before]'); },
}).enable();
onEmpty(() => second.disable());
setTimeout(() => {
  cb('t1');
  setTimeout(() => cb('t2'), 1);
}, 5);
process.nextTick(() => cb('tick'));
