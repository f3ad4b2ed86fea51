const { als, cb, start } = require('./harness');
start();
process.on('uncaughtException', (error) => {
  cb(`uncaughtException-${error.message}`);
  setTimeout(() => cb('later'), 5);
});
als.enterWith('M');
throw new Error('boom');
