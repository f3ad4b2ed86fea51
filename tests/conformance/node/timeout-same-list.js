const { als, cb, start } = require('./harness');
start();
function first() {
  cb('first');
  process.nextTick(() => cb('tick'));
  queueMicrotask(() => cb('microtask'));
}
als.run('A', () => setTimeout(first, 1));
als.run('B', () => setTimeout(() => cb('second'), 1));
