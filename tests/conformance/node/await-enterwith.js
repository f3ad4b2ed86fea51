const { als, cb, start } = require('./harness');
start();
async function callee() {
  als.enterWith('IN-F-SYNC');
  await 0;
  cb('f-after-await');
  als.enterWith('IN-F-ASYNC');
  await 0;
  cb('f-after-2nd-await');
}
als.run('A', async () => {
  const promise = callee();
  cb('caller-after-call');
  await promise;
  cb('caller-after-await');
});
