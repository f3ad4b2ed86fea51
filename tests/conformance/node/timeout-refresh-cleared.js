const { als, cb, start } = require('./harness');
start();
const waiting = als.run('A', () => setTimeout(() => cb('waiting'), 5));
const fired = als.run('A', () => setTimeout(() => cb('fired'), 5));
clearTimeout(waiting);
als.run('B', () => waiting.refresh());
setTimeout(() => {
  clearTimeout(fired);
  fired.refresh();
}, 20);
