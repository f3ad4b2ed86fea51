const { als, cb, start } = require('./harness');
start();
async function after() {
  await 0;
  als.enterWith('AFTER-AWAIT');
}
async function before() {
  als.enterWith('BEFORE-AWAIT');
  await 0;
}
(async () => {
  await after();
  cb('caller-after-after()');
  await before();
  cb('caller-after-before()');
})();
