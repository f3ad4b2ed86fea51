const { cb, hooks, start } = require('./harness');
start();
const resource = new hooks.AsyncResource('R');
resource.emitDestroy().emitDestroy();
cb('no-throw');
