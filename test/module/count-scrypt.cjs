/** Loaded before the backend (NODE_OPTIONS): notes every process, and every key that it derives, in HVBACKUP_COUNTS. */
const fs = require('node:fs');
const crypto = require('node:crypto');

const note = (line) => fs.appendFileSync(process.env.HVBACKUP_COUNTS, `${line} ${process.pid}\n`);
const { scrypt } = crypto;
if (require('node:worker_threads').isMainThread) note('process');
crypto.scrypt = (...args) => {
  note('scrypt');
  return scrypt(...args);
};
