const { als, cb, start } = require('./harness');
start();
function outside(x) {
  cb('in-exit');
  setTimeout(() => cb('timer-created-in-exit'), 1);
  return x;
}
als.run('A', () => {
  cb(`after-exit r=${als.exit(outside, 5)}`);
  setTimeout(() => cb('timer-created-after-exit'), 1);
  try {
    als.exit(() => { throw new Error('x'); });
  } catch {
    cb('caught-after-exit-throw');
  }
});
