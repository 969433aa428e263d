# The boot sector: reads the COUNT sectors behind it by PIO to address INFO, and enters the kernel at
# ENTRY, its PVH entry point, which wants flat 32-bit mode and INFO in ebx. bochs.py lays the disk
# out so that what is read is the guest's memory as it should be: no boot loader is needed.
#
# as --32 --defsym ENTRY=.. --defsym INFO=.. --defsym COUNT=.. ; ld -Ttext 0x7c00 --oformat binary
  .code16
  .globl _start
_start:
  cli
  cld
  xorw %ax, %ax
  movw %ax, %ds
  inb $0x92, %al          # the A20 line, without touching the reset bit
  orb $2, %al
  andb $0xfe, %al
  outb %al, $0x92
  lgdtl table_of_segments
  movl %cr0, %eax
  orb $1, %al
  movl %eax, %cr0
  ljmpl $0x08, $flat

  .code32
flat:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  movl %eax, %fs
  movl %eax, %gs
  movl $0x7000, %esp
  movw $0x3f6, %dx
  movb $2, %al            # the disk is to raise no interrupts
  outb %al, %dx
  movl $INFO, %edi
  movl $1, %esi           # next sector
  movl $COUNT, %ebp       # sectors left
read_some:
  movl $256, %ebx         # as many as one command takes
  cmpl %ebx, %ebp
  jae 1f
  movl %ebp, %ebx
1:
  call wait_until_ready
  movw $0x1f2, %dx
  movb %bl, %al           # 0 stands for 256
  outb %al, %dx
  movl %esi, %eax
  incl %edx
  outb %al, %dx
  shrl $8, %eax
  incl %edx
  outb %al, %dx
  shrl $8, %eax
  incl %edx
  outb %al, %dx
  shrl $8, %eax
  orb $0xe0, %al
  incl %edx
  outb %al, %dx
  movb $0x20, %al         # read sectors
  incl %edx
  outb %al, %dx
  addl %ebx, %esi
  subl %ebx, %ebp
read_sector:
  call wait_until_ready
  testb $8, %al
  jz read_sector
  movl $128, %ecx
  movw $0x1f0, %dx
  rep insl
  decl %ebx
  jnz read_sector
  testl %ebp, %ebp
  jnz read_some
  movl $INFO, %ebx
  movl $ENTRY, %eax
  jmp *%eax

wait_until_ready:
  movw $0x1f7, %dx
1:
  inb %dx, %al
  testb $0x80, %al
  jnz 1b
  ret

  .balign 8
segments:
  .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff  # none, code, data: 4 GiB from 0
table_of_segments:
  .word table_of_segments - segments - 1
  .long segments
  .org 510
  .byte 0x55, 0xaa
