const { als, cb, start } = require('./harness');
const fs = require('node:fs');
const dir = fs.mkdtempSync(`${require('node:os').tmpdir()}/weft-watch.`);
start();
const watcher = als.run('A', () => fs.watch(dir, (event) => {
  cb(event);
  watcher.close();
  fs.rmSync(dir, { recursive: true });
}));
als.run('L', () => watcher.on('close', () => cb('close')));
als.run('W', () => fs.writeFileSync(`${dir}/file`, 'x'));
