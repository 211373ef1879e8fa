/**
 * Whether PowerShell lets the helper work. Under Constrained Language Mode (AppLocker, App Control for Business)
 * neither node-powershell's markers nor the helper itself can run, so it is asked for before anything else, in a way
 * that every mode allows.
 */
import { HvError } from '../../../support/errors.ts';

/**
 * A constant command whose output says the mode. Before it, the first thing that runs: from then on no module is loaded
 * but PowerShell's own. One of the user could have a command of a name that the helper uses, and would run with the
 * helper's rights. What else is on the path comes from a variable that no environment of the user's hands down
 * (shell.ts): the doubles of the tests set it.
 */
export const LANGUAGE_QUESTION =
  '$env:PSModulePath = "$PSHOME/Modules$env:HVBACKUP_HELPER_MODULES"; "@hvh-mode $($ExecutionContext.SessionState.LanguageMode)"';
export const LANGUAGE_ANSWER = /@hvh-mode (\w+)/;

export const constrained = (mode: string, executable: string): HvError =>
  new HvError(
    'NOT_SUPPORTED',
    `PowerShell runs in ${mode} mode here, in which Hyper-V cannot be reached: ${executable}`,
    {
      advice:
        'A policy of this machine (AppLocker, App Control for Business) restricts PowerShell. Signing the scripts is not enough, because the ' +
        'helper also takes commands on its standard input: exempt the account that runs backups from the policy, or run this on a machine ' +
        'without it, with hyperv:SERVER as the host.',
      data: { languageMode: mode, executable },
    },
  );
