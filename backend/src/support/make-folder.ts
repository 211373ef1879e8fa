/**
 * Makes a folder with its missing parents in a bounded number of steps. The `recursive` option of Node's mkdir never
 * ends where the system answers ENOENT although the parent is there (/proc, autofs), and blocks a thread meanwhile.
 */
import { promises as fs, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { errnoName } from './errno.ts';
import { HvError, toHvError } from './errors.ts';
import { withoutLongPathPrefix } from './windows-path.ts';

/** How often a parent may vanish under our hands before that counts as a refusal. */
const PATIENCE = 10;

/** What is asked of the file system next. */
type Question = { make: string } | { isFolder: string };
/** Of `make`: null when it was made; of `isFolder`: whether it is one. */
type Answer = NodeJS.ErrnoException | boolean | null;

/**
 * @param mode of each folder that is made
 * @returns what was made, from the top; nothing when the folder was there
 * @throws ACCESS_DENIED, NOT_A_DIRECTORY, IO_ERROR where the file system refuses folders, DISK_FULL
 */
export async function makeFolder(folder: string, mode?: number): Promise<string[]> {
  const steps = stepsTo(folder);
  let next = steps.next();
  while (!next.done) {
    const asked = next.value;
    const answer: Answer =
      'make' in asked
        ? await fs.mkdir(asked.make, { mode }).then(() => null, asError)
        : await fs.stat(asked.isFolder).then(
            (stat) => stat.isDirectory(),
            () => false,
          );
    next = steps.next(answer);
  }
  return next.value;
}

/** As {@link makeFolder}. */
export function makeFolderSync(folder: string, mode?: number): string[] {
  const steps = stepsTo(folder);
  let next = steps.next();
  while (!next.done) next = steps.next(answerSync(next.value, mode));
  return next.value;
}

function answerSync(asked: Question, mode?: number): Answer {
  try {
    if ('isFolder' in asked) return statSync(asked.isFolder).isDirectory();
    mkdirSync(asked.make, { mode });
    return null;
  } catch (error) {
    return 'make' in asked ? asError(error) : false;
  }
}

const asError = (error: unknown): NodeJS.ErrnoException => error as NodeJS.ErrnoException;

/** Up to the first folder that can be made or is there, then down again. */
function* stepsTo(folder: string): Generator<Question, string[], Answer> {
  const goal = path.resolve(folder);
  const made: string[] = [];
  let patience = PATIENCE;
  for (let at = goal; ; ) {
    const answer = yield { make: at };
    if (answer === null) made.push(at);
    else {
      const error = answer as NodeJS.ErrnoException;
      const parent = path.dirname(at);
      if (errnoName(error) === 'ENOENT' && parent !== at) {
        // Only where the parent is there is the answer a refusal; another process may have removed it in between.
        if (yield { isFolder: parent }) {
          patience -= 1;
          if (patience <= 0) throw refused(at, parent, error);
        } else at = parent;
        continue;
      }
      // Also EPERM, EACCES or EROFS may stand for a folder that is there.
      if (!(yield { isFolder: at })) throw toHvError(error, folder);
    }
    if (at === goal) return made;
    at = path.join(at, path.relative(at, goal).split(path.sep)[0]!);
  }
}

const refused = (folder: string, parent: string, cause: unknown): HvError => {
  const [shown, above] = [folder, parent].map(withoutLongPathPrefix) as [string, string];
  return new HvError('IO_ERROR', `No folder can be made here: ${shown} (mkdir: ENOENT, although ${above} is there)`, {
    advice: 'Choose a place on a disk or a mounted share.',
    data: { path: shown, errno: 'ENOENT', syscall: 'mkdir' },
    cause,
  });
};
