const { cb, hooks, line, onEmpty, start } = require('./harness');
start();
const late = hooks.createHook({
  init(id, type) { line(`  [late init ${type}]`); },
  before() { line('  [late before]'); },
  after() { line('  [late after]'); },
  destroy() { line('  [late destroy]'); },
});
onEmpty(() => late.disable());
setTimeout(() => {
  cb('first');
  late.enable();
}, 5);
setTimeout(() => cb('second'), 20);
