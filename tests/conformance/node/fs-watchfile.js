const { als, cb, start } = require('./harness');
const fs = require('node:fs');
const file = `${require('node:os').tmpdir()}/weft-watchfile.${process.pid}`;
fs.writeFileSync(file, 'x');
start();
function changed() {
  cb('changed');
  fs.unwatchFile(file);
  fs.unlinkSync(file);
}
als.run('A', () => fs.watchFile(file, { interval: 20 }, changed));
setTimeout(() => als.run('W', () => fs.writeFileSync(file, 'yy')), 50);
