const { als, cb, hooks, start } = require('./harness');
start();
const other = new hooks.AsyncLocalStorage();
function both() {
  cb(`both b=${other.getStore()}`);
  als.exit(() => cb(`exit-als b=${other.getStore()}`));
}
als.run('A', () => other.run('B', () => setTimeout(both, 1)));
other.run('B2', () => setTimeout(() => cb(`only-b b=${other.getStore()}`), 20));
