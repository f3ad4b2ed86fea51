const { cb, hooks, line, onEmpty, start } = require('./harness');
start();
const hookThatSays = (who) => hooks.createHook({
  init(id, type) { line(`  [${who} init ${type}]`); },
  before() { line(`  [${who} before]`); },
  after() { line(`  [${who} after]`); },
  destroy() { line(`  [${who} destroy]`); },
});
for (const hook of [hookThatSays('h1').enable(), hookThatSays('h2').enable()]) {
  onEmpty(() => hook.disable());
}
setTimeout(() => cb('timer'), 1);
