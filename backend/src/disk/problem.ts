/** What a check of an image's structure finds: not an error of the check, a finding to list. */
export interface ImageProblem {
  message: string;
  /** Where in the file, bytes. */
  offset?: number;
}

/** A damaged table could list millions. */
const MAX_PROBLEMS = 1000;

/** Collects findings up to a limit. */
export class ProblemList {
  readonly problems: ImageProblem[] = [];

  get full(): boolean {
    return this.problems.length >= MAX_PROBLEMS;
  }

  add(message: string, offset?: number): void {
    if (this.full) return;
    this.problems.push({ message, ...(offset === undefined ? {} : { offset }) });
    if (this.full) this.problems.push({ message: 'There are more problems; they are not listed.' });
  }
}
