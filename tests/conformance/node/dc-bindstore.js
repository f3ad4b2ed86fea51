const { als, cb, start } = require('./harness');
const channels = require('node:diagnostics_channel');
start();
const channel = channels.channel('c');
channel.bindStore(als, (message) => ({ wrapped: message.v }));
channel.subscribe((message, name) => cb(`subscriber ${name} ${JSON.stringify(message)}`));
function inside(x) {
  cb('in-runStores');
  setTimeout(() => cb('timer'), 1);
  return x;
}
cb(`after r=${als.run('OUTER', () => channel.runStores({ v: 1 }, inside, null, 'ret'))}`);
cb(`unbind ${channel.unbindStore(als)} ${channel.unbindStore(als)}`);
als.run('OUTER', () => channel.runStores({ v: 2 }, () => cb('after-unbind')));
