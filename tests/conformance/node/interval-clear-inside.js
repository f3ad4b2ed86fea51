const { als, cb, start } = require('./harness');
start();
let calls = 0;
function tick() {
  cb(`tick${++calls}`);
  if (calls === 3) clearInterval(interval);
}
const interval = als.run('A', () => setInterval(tick, 1));
