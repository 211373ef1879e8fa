/** Order of the test files: what takes longest begins first, so that no core waits for the last of them. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Minutes, then what starts PowerShell, then what starts the command line again and again, then the long ones among the
 * others.
 */
const LONG = [
  /acceptance\/samples|hosts\/hyperv\/hyperv-(failures|export|operations|remote|cancel)/,
  /acceptance\/(tracking|copy|kill|history)|disk\/samples|hosts\/simulated\/processes|integrity\/flips/,
  /hosts\/hyperv\//,
  /acceptance\/|interleaving|torture|package/,
  /simulated\/(property|simulated)|repository\/(crash|create|engine\/delta)|catalog\/segments|fuzz/,
];

const rank = ({ moduleId }: TestSpecification): number => {
  const at = LONG.findIndex((pattern) => pattern.test(moduleId));
  return at < 0 ? LONG.length : at;
};

/**
 * Vitest itself goes by what it remembers of earlier runs, which a fresh clone has none of, and which runs of single
 * tests spoil; and by the size of files, where the smallest may run for minutes. Within a group it is left to that.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
