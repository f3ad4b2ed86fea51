const { cb, hooks, start } = require('./harness');
start();
(function drop() {
  new hooks.AsyncResource('AUTO');
  new hooks.AsyncResource('MANUAL', { requireManualDestroy: true });
})();
const kept = new hooks.AsyncResource('EMITTED');
global.gc();
kept.emitDestroy();
setImmediate(() => {
  cb('after-gc');
  setImmediate(() => cb('next'));
});
