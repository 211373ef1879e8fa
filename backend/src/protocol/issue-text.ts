/** What is wrong with a parameter, in words: the schema library's own speak of types and of "too small". */
import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** @returns what follows the parameter's name: `must be at most 100` */
export function issueText(issue: Issue): string {
  switch (issue.code) {
    case 'too_small':
      return bound(issue.origin, Number(issue.minimum), issue.inclusive === false ? 'above' : 'at least');
    case 'too_big':
      return bound(issue.origin, Number(issue.maximum), issue.inclusive === false ? 'below' : 'at most');
    case 'invalid_type':
      return issue.input === undefined && /received undefined/.test(issue.message)
        ? 'is missing'
        : `must be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${issue.values
        .map(String)
        .join(', ')
        .replace(/, ([^,]*)$/, ' or $1')}`;
    case 'unrecognized_keys':
      return `has no parameter ${issue.keys.map((key) => `"${key}"`).join(', ')}`;
    case 'custom':
      return issue.message;
    default:
      return 'is not valid';
  }
}

const TYPES: Record<string, string> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

function bound(origin: string, limit: number, how: string): string {
  if (origin === 'string')
    return limit === 1 && how === 'at least' ? 'must not be empty' : `must have ${how} ${limit} characters`;
  if (origin === 'array') return `must have ${how} ${limit} entries`;
  return `must be ${how} ${limit}`;
}

/** All that is wrong: `sample must be at most 100; vm must not be empty`. */
export const issueSentence = (issues: readonly Issue[], name: (path: string) => string = (path) => path): string =>
  issues
    .slice(0, 5)
    .map((issue) => `${name(issue.path.map(String).join('.'))} ${issueText(issue)}`.trim())
    .join('; ');
