const { als, cb, start } = require('./harness');
start();
const thenable = {
  then(resolve) {
    cb('thenable.then');
    als.run('T', () => setTimeout(() => {
      cb('resolver');
      resolve();
    }, 1));
  },
};
als.run('A', async () => {
  await thenable;
  cb('after-thenable');
});
