/**
 * What a VM that is being planned will be: as its imported configuration files say, or as its description does. All of
 * it is checked here, before anything on the host changes.
 */
import { VmDescription } from '../../schema/vm.ts';
import { HvError, isHvError, toHvError } from '../../support/errors.ts';
import type { ConfiguredVm } from '../configuration/index.ts';
import type { PlanRequest } from '../port.ts';
import type { VmDefinition } from './rows.ts';
import { type ConfigurationKind, decodeVmcx, decodeVmrs, encodeConfiguration } from './vm-files.ts';

export interface ImportedConfiguration {
  /** With the identity of the source. */
  definition: VmDefinition;
  /** Files that are kept as they came. */
  files: Map<ConfigurationKind, Uint8Array>;
  warnings: string[];
}

type Source = NonNullable<PlanRequest['configuration']>[number];

const Definition = VmDescription.omit({ disks: true });
/** What every `.vmcx` of Hyper-V says. */
const ESSENTIAL = ['generation', 'version', 'processorCount', 'memoryStartup', 'dynamicMemory'] as const;
const DATA_ONLY = 'Restore the data only (--kind data): the VM is then defined anew from its recorded description.';

/**
 * Kind `vm`: the `.vmcx`, whatever program wrote it, decides the hardware; the description says what no such file
 * holds. A `.vmgs` is kept as it came: nothing else has the firmware's variables. A `.vmrs` is not, for the VM will be
 * off.
 * @throws USAGE without a `.vmcx`, CONFIGURATION_CORRUPT when it cannot be imported
 */
export async function importConfiguration({ kind, vm, configuration }: PlanRequest): Promise<ImportedConfiguration> {
  const { disks: _, ...described } = vm;
  if (kind === 'data') return { definition: described, files: new Map(), warnings: [] };
  const vmcx = configuration?.find((file) => file.kind === 'vmcx');
  if (!vmcx) {
    throw new HvError('USAGE', `There is no configuration file (.vmcx) to import for VM "${vm.name}"`, {
      advice: DATA_ONLY,
      data: { vmId: vm.id },
    });
  }
  const { vm: file, checkpoints, notes } = await readVmcx(vmcx, vm);
  const warnings = notes.map((note) => `${vmcx.name}: ${note}`);
  if (file.id !== undefined && file.id !== vm.id) {
    warnings.push(`${vmcx.name} is of the VM ${file.id}, not ${vm.id}: its hardware was taken.`);
  }
  const missing = ESSENTIAL.filter((name) => file[name] === undefined);
  if (missing.length > 0) {
    warnings.push(`${vmcx.name} does not contain ${missing.join(', ')}: taken from the description.`);
  }
  if (checkpoints.length > 0) {
    warnings.push(`${checkpoints.length} checkpoint(s) that ${vmcx.name} lists are not part of what is restored.`);
  }
  const vmrs = configuration?.find((entry) => entry.kind === 'vmrs');
  if (vmrs) warnings.push(...(await savedStateWarning(vmrs)));
  const definition = checked(combine(described, file), vmcx, vm);
  const vmgs = configuration?.find((entry) => entry.kind === 'vmgs');
  const files = new Map<ConfigurationKind, Uint8Array>();
  if (vmgs && definition.generation === 2) files.set('vmgs', vmgs.data);
  return { definition, files, warnings };
}

async function readVmcx(vmcx: Source, vm: VmDescription) {
  try {
    return await decodeVmcx(vmcx.data, vmcx.name);
  } catch (error) {
    if (!isHvError(error, 'CONFIGURATION_CORRUPT', 'CONFIGURATION_UNSUPPORTED')) throw error;
    throw cannotImport(vmcx, vm, error.message, error);
  }
}

function cannotImport(vmcx: Source, vm: VmDescription, why: string, cause?: HvError): HvError {
  return new HvError('CONFIGURATION_CORRUPT', `The configuration of VM "${vm.name}" cannot be imported: ${why}`, {
    advice: DATA_ONLY,
    data: { vmId: vm.id, file: vmcx.name, ...(cause ? { ...cause.data, cause: cause.code } : {}) },
    cause,
  });
}

/** The file first; the description for what the file lacks, and for firmware only when that is of the same kind. */
function combine(described: VmDefinition, file: ConfiguredVm): VmDefinition {
  const { disks: _, ...said } = file;
  const base = { ...described };
  // Absent in the file means: there are none, dynamic memory is off.
  delete base.notes;
  delete base.memoryMinimum;
  delete base.memoryMaximum;
  if (said.generation !== undefined && said.generation !== base.generation) {
    delete base.bootOrder;
    delete base.secureBoot;
    delete base.secureBootTemplate;
    delete base.tpm;
  }
  return { ...base, ...said };
}

function checked(definition: VmDefinition, vmcx: Source, vm: VmDescription): VmDefinition {
  const result = Definition.safeParse(definition);
  if (result.success) return definition;
  const [issue] = result.error.issues;
  throw cannotImport(vmcx, vm, `${vmcx.name}: ${issue?.path.join('.')}: ${issue?.message}`);
}

/** There is no place for the memory of a guest here, and the disks are those of another moment. */
async function savedStateWarning(vmrs: Source): Promise<string[]> {
  try {
    const { saved } = await decodeVmrs(vmrs.data, vmrs.name);
    return saved ? [`The saved state in ${vmrs.name} was left out: the VM is off.`] : [];
  } catch (error) {
    return [`${vmrs.name} was written anew: ${toHvError(error).message}`];
  }
}

/**
 * What cannot be written as configuration files must not get into the state: every later change would fail on it.
 * @throws CONFIGURATION_UNSUPPORTED, CONFIGURATION_CORRUPT
 */
export function requireEncodable(definition: VmDefinition): void {
  try {
    encodeConfiguration({ ...definition, disks: [] });
  } catch (error) {
    if (isHvError(error, 'CONFIGURATION_UNSUPPORTED')) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new HvError('CONFIGURATION_CORRUPT', `No configuration can be written for VM "${definition.name}": ${why}`, {
      advice: 'Correct the description of the VM: memory, processors, MAC addresses.',
      data: { vmId: definition.id },
      cause: error,
    });
  }
}
