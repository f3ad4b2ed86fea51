const { als, cb, start } = require('./harness');
start();
function first() {
  cb('tick1');
  process.nextTick(() => cb('tick-nested'));
}
als.run('A', () => process.nextTick(first));
als.run('B', () => process.nextTick((x) => cb(`tick2-${x}`), 7));
cb('main');
