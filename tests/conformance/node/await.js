const { als, cb, start } = require('./harness');
start();
async function work() {
  cb('f-sync');
  await 1;
  cb('f-after-await');
  await new Promise((resolve) => { setTimeout(resolve, 1); });
  cb('f-after-timer');
  return 2;
}
als.run('A', () => { work().then(() => cb('f-then')); });
cb('main');
