const { als, cb, start } = require('./harness');
start();
async function inner() {
  cb('in-B');
  await 0;
  cb('in-B-after-await');
}
als.run('A', async () => {
  await als.run('B', inner);
  cb('back-in-A');
});
