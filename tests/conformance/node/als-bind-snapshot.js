const { als, cb, hooks, start } = require('./harness');
start();
const { AsyncLocalStorage } = hooks;
const other = new AsyncLocalStorage();
const inBoth = (a, b, fn) => als.run(a, () => other.run(b, fn));
function add(x, y) {
  cb(`snap als2=${other.getStore()}`);
  return x + y;
}
const bound = inBoth('A', 'A2', () => AsyncLocalStorage.bind((x) => {
  cb(`bound als2=${other.getStore()} x=${x}`);
  return x;
}));
const snapshot = inBoth('S', 'S2', () => AsyncLocalStorage.snapshot());
inBoth('C', 'C2', () => {
  cb(`ret=${bound(9)}`);
  const sum = snapshot(add, 1, 2);
  cb(`snapret=${sum} als2=${other.getStore()}`);
});
