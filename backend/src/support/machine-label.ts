/** The host's name in what identifies a machine, for people. */
export const machineLabel = (machine: string): string => machine.split(/[ /]/)[0] || 'another machine';
