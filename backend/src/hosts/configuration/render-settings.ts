/**
 * The parts of a configuration that are not devices: properties, settings of memory and processors, what applies to the
 * VM as a whole.
 */
import type { VmDescription } from '../../schema/vm.ts';
import { NIL_GUID } from '../../support/guid.ts';
import { LAST_APPLIED, SECURITY, TPM_ENABLED } from './assumed-keys.ts';
import { type ConfiguredCheckpoint, renderCheckpoints } from './checkpoints.ts';
import { derivedGuid } from './derived-guid.ts';
import { toFileTime } from './file-time.ts';
import { bool, bytes, type HvsItem, type HvsNode, int, node, text } from './hvs/values.ts';

const MIB = 2 ** 20;
/** What a new VM has while its memory is not dynamic, MiB. */
const DEFAULT_MINIMUM = 512;
const DEFAULT_MAXIMUM = 2 ** 20;

/** @param version as in files */
export function renderProperties(vm: VmDescription, version: number, createdAt: string | undefined): HvsNode {
  const created = createdAt === undefined ? null : toFileTime(createdAt);
  return node(
    'properties',
    text('global_id', vm.id.toUpperCase()),
    bool('highly_available', false),
    int('last_powered_off_time', 0),
    int('last_powered_on_time', 0),
    int('last_state_change_time', 0),
    text('name', vm.name),
    text('notes', vm.notes ?? ''),
    int('subtype', vm.generation - 1),
    text('type_id', 'Virtual Machines'),
    int('version', version),
    ...(created ? [bytes('creation_time', created)] : []),
  );
}

export function renderSettings(vm: VmDescription): HvsNode {
  return node(
    'settings',
    node('global', text('logical_id', vm.id.toUpperCase())),
    bool('guest_controlled_cache_types', false),
    renderMemory(vm),
    renderProcessors(vm.processorCount),
    node('topology', int('high_mmio_gap_mb', 512), int('low_mmio_gap_mb', 128)),
    // Hyper-V allows only one of virtual NUMA and dynamic memory.
    node('vnuma', bool('enabled', !vm.dynamicMemory)),
  );
}

function renderMemory(vm: VmDescription): HvsNode {
  const mib = (size: number | undefined, otherwise: number): number =>
    size === undefined ? otherwise : Math.ceil(size / MIB);
  return node(
    'memory',
    node(
      'bank',
      int('backing_type', 0),
      bool('dynamic_memory_enabled', vm.dynamicMemory),
      int('limit', mib(vm.memoryMaximum, DEFAULT_MAXIMUM)),
      int('priority', 5000),
      int('reservation', mib(vm.memoryMinimum, DEFAULT_MINIMUM)),
      int('size', mib(vm.memoryStartup, 0)),
      int('target_memory_buffer', 20),
    ),
    node('sgx', bool('enabled', false), int('size', 0)),
  );
}

const renderProcessors = (count: number): HvsNode =>
  node(
    'processors',
    int('count', count),
    text('cpu_group_guid', NIL_GUID),
    int('cpu_group_id', 0),
    bool('enable_perfmon_lbr', false),
    bool('enable_perfmon_pebs', false),
    bool('enable_perfmon_pmu', false),
    node('features', bool('limit', false)),
    bool('hide_hypervisor_present', false),
    int('hwthreads', 0),
    int('limit', 100_000),
    bool('limit_cpuid', false),
    node('nested_virtualization', bool('enabled', false)),
    int('reservation', 0),
    int('weight', 100),
  );

export function renderGlobalSettings(vm: VmDescription, checkpoints: ConfiguredCheckpoint[]): HvsNode {
  const lastApplied = vm.lastAppliedCheckpoint === undefined ? [] : [text(LAST_APPLIED, vm.lastAppliedCheckpoint)];
  return node(
    'global_settings',
    node('critical_error', int('action', 1), int('timeout', 1800)),
    node(
      'devices',
      bool('allow_reduced_fc_redundancy', false),
      int('cpu_architecture', 1),
      bool('host_resource_protection_enabled', false),
      bool('lock_on_disconnect', false),
      bool('storage_allow_full_scsi_command_set', false),
      text('generation_id', derivedGuid(vm.id, 'generation').replaceAll('-', '')),
    ),
    bool('disk_merge_pending', false),
    node('power', node('host_shutdown', int('action', 1)), node('host_startup', int('action', 1))),
    node(
      'snapshots',
      bool('enable_automatic', false),
      renderCheckpoints(checkpoints),
      int('user_type', 3),
      ...lastApplied,
    ),
    node('unexpected_termination', int('action', 1)),
    bool('vhd_path_acled', true),
  );
}

/** Only when the description says whether there is a TPM. */
export function renderSecurity(vm: VmDescription): HvsItem[] {
  if (vm.generation === 1 || vm.tpm === undefined) return [];
  return [node(SECURITY[0], node(SECURITY[1], bool(TPM_ENABLED, vm.tpm)))];
}
