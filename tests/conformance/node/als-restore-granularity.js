const { als, cb, hooks, start } = require('./harness');
start();
const other = new hooks.AsyncLocalStorage();
const both = (label) => cb(`${label} other=${other.getStore()}`);
const snapshot = hooks.AsyncLocalStorage.snapshot();
const resource = new hooks.AsyncResource('R');
als.run('A', () => {
  als.run('B', () => other.enterWith('from-run'));
  both('behind-run');
  als.exit(() => other.enterWith('from-exit'));
  both('behind-exit');
  snapshot(() => {
    other.enterWith('from-snapshot');
    both('in-snapshot');
  });
  both('behind-snapshot');
  resource.runInAsyncScope(() => other.enterWith('from-resource'));
  both('behind-resource');
});
