const { als, cb, start } = require('./harness');
start();
function first() {
  cb('t1');
  als.run('B', () => setTimeout(() => cb('t2-created-in-B'), 1));
  setTimeout(() => cb('t3-created-in-A'), 20);
}
als.run('A', () => setTimeout(first, 1));
