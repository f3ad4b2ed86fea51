const { als, cb, start } = require('./harness');
const { open } = require('node:fs/promises');
start();
als.run('A', async () => {
  const file = await open(__filename);
  cb('opened');
  await file.read(Buffer.alloc(4), 0, 4, 0);
  cb('read');
  await file.close();
  cb('closed');
});
