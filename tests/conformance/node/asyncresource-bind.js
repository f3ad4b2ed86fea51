const { als, cb, hooks, start } = require('./harness');
start();
const { AsyncResource } = hooks;
function named(x) {
  cb(`bound-static x=${x}`);
  return x * 2;
}
const first = als.run('A', () => AsyncResource.bind(named));
const typed = als.run('A2', () => AsyncResource.bind(() => cb('bound-anon'), 'TYPED'));
const silent = als.run('A3', () => AsyncResource.bind((() => {})));
const resource = als.run('B', () => new AsyncResource('R'));
const instance = resource.bind(() => cb('bound-instance'));
als.run('C', () => {
  cb(`ret=${first(21)}`);
  typed();
  silent();
  instance();
  first(1);
});
