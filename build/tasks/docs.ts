/**
 * Writes docs/protocol.md and test/module/protocol-contract.json from the schemas. Run it after a change
 * of backend/src/schema or backend/src/protocol: `npm run docs`; a test fails while they are stale.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contractJson, protocolMarkdown } from '../lib/protocol-docs.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const files: [string, string][] = [
  [join('docs', 'protocol.md'), protocolMarkdown()],
  [join('test', 'module', 'protocol-contract.json'), contractJson()],
];
for (const [path, text] of files) {
  writeFileSync(join(root, path), text);
  console.log(`wrote ${path}`);
}
