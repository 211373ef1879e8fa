/** `hvbackup host …`: simulated hosts. */
import { quoted } from '../../support/shell-quote.ts';
import { command } from '../command.ts';
import { diskIndex, flag, hostOption, integer, optional, text } from '../options.ts';
import { table } from '../table.ts';

export const hostCreate = command({
  words: 'host create',
  summary: 'Create a simulated host.',
  positionals: ['DIR'],
  options: {},
  examples: ['host create ./lab', 'host create ./lab --json'],
  run: async (_values, context, [directory]) => {
    const result = await context.call('host/create', { directory: context.absolute(directory!) });
    return {
      json: result,
      lines: [
        `Created the host ${result.host}`,
        `Next: hvbackup vm create --host ${quoted(result.host)} --name NAME --disk FILE`,
      ],
    };
  },
});

export const hostFault = command({
  words: 'host fault',
  summary: 'Set, clear or list the failures that a simulated host plays.',
  options: {
    host: hostOption,
    set: optional('FAULT', 'Set this fault.', text),
    clear: optional('FAULT', 'Clear this fault.', text),
    'clear-all': flag('Clear every fault.'),
    vm: optional('N', 'Only for this VM.', text),
    disk: optional('I', 'Only for this disk, from 0.', diskIndex),
    count: optional('N', 'How many times it strikes; until cleared when absent.', integer(1)),
    after: optional('N', 'How many occasions pass before it strikes.', integer(0)),
  },
  examples: ['host fault --host sim:./lab', 'host fault --host sim:./lab --set tracking-lost --vm web01 --disk 0'],
  run: async (values, context) => {
    const action =
      values.set !== undefined ? 'set' : values.clear !== undefined || values['clear-all'] ? 'clear' : 'list';
    const { faults, known } = await context.call('host/fault', {
      host: values.host,
      action,
      name: values.set ?? values.clear,
      vm: values.vm,
      disk: values.disk,
      count: values.count,
      after: values.after,
    });
    const rows = table(faults, [
      { title: 'FAULT', value: (fault) => fault.name },
      { title: 'VM', value: (fault) => fault.vm ?? 'all' },
      { title: 'DISK', value: (fault) => String(fault.disk ?? 'all') },
      { title: 'COUNT', value: (fault) => String(fault.count ?? '') },
    ]);
    return {
      json: { faults, known },
      lines: [...(faults.length > 0 ? rows : ['No fault is set.']), `Known faults: ${known.join(', ')}`],
    };
  },
});
