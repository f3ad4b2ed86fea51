const { als, cb, start } = require('./harness');
start();
function first() {
  cb('m1');
  queueMicrotask(() => cb('m-nested'));
  process.nextTick(() => cb('tick'));
}
als.run('A', () => queueMicrotask(first));
als.run('B', () => queueMicrotask(() => cb('m2')));
