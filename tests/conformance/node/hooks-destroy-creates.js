const { cb, hooks, line, start } = require('./harness');
start();
let made = 0;
const hook = hooks.createHook({
  destroy() {
    line(`  [destroy exec=${hooks.executionAsyncId()}]`);
    if (++made < 3) new hooks.AsyncResource('MADE').emitDestroy();
  },
}).enable();
new hooks.AsyncResource('R').emitDestroy();
setImmediate(() => {
  cb('immediate');
  hook.disable();
});
