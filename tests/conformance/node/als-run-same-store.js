const { als, cb, start } = require('./harness');
start();
als.run('A', () => {
  als.run('A', () => {
    als.enterWith('B');
    cb('inside');
  });
  cb('behind');
});
