/** The one entry of the bundle: the `hvbackup` command. */
import { main } from './cli.ts';
import * as operations from './operations/index.ts';

void main(operations);
