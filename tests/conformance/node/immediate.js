const { als, cb, start } = require('./harness');
start();
function first() {
  cb('imm1');
  setImmediate(() => cb('imm-nested'));
  process.nextTick(() => cb('tick'));
}
als.run('A', () => setImmediate(first));
als.run('B', () => setImmediate(() => cb('imm2')));
