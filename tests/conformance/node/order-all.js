const { als, cb, hooks, start } = require('./harness');
start();
als.run('A', () => setTimeout(() => {
  setTimeout(() => cb('timeout'), 1);
  setImmediate(() => cb('immediate'));
  queueMicrotask(() => cb('microtask'));
  process.nextTick(() => cb('tick'));
  new hooks.AsyncResource('R').emitDestroy();
  cb('first');
}, 1));
