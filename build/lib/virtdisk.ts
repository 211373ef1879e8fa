/**
 * VirtDisk.dll, from the C# in the rooms of module/Helper: for .NET Framework 4.5, so that Windows PowerShell 5.1 and
 * PowerShell 7 both load it. With the .NET SDK the same sources give the same bytes on any machine; the older compilers
 * put a time into it.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../runtime.mjs';
import { findProgram } from './run.ts';

const SOURCES = join(root, 'module', 'Helper');
/** What declares the .NET Framework's own types; fetched by `dotnet` from NuGet. */
const REFERENCES = { name: 'Microsoft.NETFramework.ReferenceAssemblies.net45', version: '1.0.2' };
const LONGEST_MS = 300_000;

export interface Compiled {
  /** Name of the compiler; null when there was none that could do it. */
  compiler: string | null;
  /** Why not, a line for each that was tried. */
  problems: string[];
}

/** Compiles with the first compiler that can. */
export function compileVirtDisk(target: string): Compiled {
  const problems: string[] = [];
  for (const [compiler, compile] of [
    ['dotnet', withDotnet],
    ['csc', (file: string) => withCompiler(frameworkCompiler(), file, ['/langversion:5'])],
    ['mcs', (file: string) => withCompiler(findProgram('mcs'), file, ['-langversion:5', '-sdk:4.5-api'])],
  ] as const) {
    const problem = compile(target);
    if (problem === null && existsSync(target)) return { compiler, problems };
    problems.push(`${compiler}: ${problem ?? 'it wrote nothing'}`);
  }
  return { compiler: null, problems };
}

const sources = (): string[] =>
  readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.cs'))
    .sort()
    .map((name) => join(SOURCES, name));

/** @returns null when it is done, otherwise why not */
function withDotnet(target: string): string | null {
  const dotnet = findProgram('dotnet');
  if (dotnet === null) return 'not on PATH';
  const folder = mkdtempSync(join(tmpdir(), 'hvbackup-csc-'));
  try {
    const project = join(folder, 'VirtDisk.csproj');
    writeFileSync(project, projectFile());
    const args = [
      'build',
      project,
      '-c',
      'Release',
      '-o',
      join(folder, 'out'),
      '--nologo',
      '-v',
      'q',
      '-nodeReuse:false',
    ];
    const env = { ...process.env, DOTNET_CLI_TELEMETRY_OPTOUT: '1', DOTNET_NOLOGO: '1' };
    const { status, stdout, stderr } = spawnSync(dotnet, args, { encoding: 'utf8', env, timeout: LONGEST_MS });
    if (status !== 0) return lastLine(`${stdout}\n${stderr}`);
    copyFileSync(join(folder, 'out', 'VirtDisk.dll'), target);
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Everything that would make the bytes differ from machine to machine is switched off. */
function projectFile(): string {
  const compile = sources().map((file) => `<Compile Include="${file}" />`);
  return `<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <TargetFramework>net45</TargetFramework>
    <AssemblyName>VirtDisk</AssemblyName>
    <LangVersion>5</LangVersion>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
    <Deterministic>true</Deterministic>
    <DebugType>none</DebugType>
    <PathMap>${SOURCES}=/Helper</PathMap>
    <GenerateAssemblyInfo>false</GenerateAssemblyInfo>
    <GenerateTargetFrameworkAttribute>false</GenerateTargetFrameworkAttribute>
    <EnableDefaultItems>false</EnableDefaultItems>
    <CheckEolTargetFramework>false</CheckEolTargetFramework>
    <DisableImplicitFrameworkReferences>true</DisableImplicitFrameworkReferences>
    <AutomaticallyUseReferenceAssemblyPackages>false</AutomaticallyUseReferenceAssemblyPackages>
  </PropertyGroup>
  <ItemGroup>
    ${compile.join('\n    ')}
    <PackageReference Include="${REFERENCES.name}" Version="${REFERENCES.version}" PrivateAssets="all" />
  </ItemGroup>
</Project>
`;
}

/** Every Windows has it: the compiler that Windows PowerShell's Add-Type uses. */
function frameworkCompiler(): string | null {
  const file = join(process.env.SystemRoot ?? '', 'Microsoft.NET', 'Framework64', 'v4.0.30319', 'csc.exe');
  return process.platform === 'win32' && existsSync(file) ? file : null;
}

function withCompiler(program: string | null, target: string, options: string[]): string | null {
  if (program === null) return 'not here';
  const args = ['-nologo', '-target:library', '-optimize+', ...options, `-out:${target}`, ...sources()];
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: LONGEST_MS });
  return status === 0 ? null : lastLine(`${stdout}\n${stderr}`);
}

const lastLine = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trim())
    .find((line) => /error/i.test(line)) ?? 'it failed and said nothing';
