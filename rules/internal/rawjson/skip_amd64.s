//go:build !purego

#include "textflag.h"

// Every second bit: where a run of backslashes that begins at an even place has the escaping ones.
DATA odd<>+0(SB)/8, $0xAAAAAAAAAAAAAAAA
GLOBL odd<>(SB), RODATA|NOPTR, $8

// The bytes looked for, and the bit in which brackets differ from braces.
DATA bytes<>+0(SB)/8, $0x000000207D7B5C22
GLOBL bytes<>(SB), RODATA|NOPTR, $8

// MASK sets mask to the bits at which the 64 bytes in Y0 and Y1 equal the byte in all places of pattern.
#define MASK(pattern, mask) \
	VPCMPEQB  pattern, Y0, Y2 \
	VPCMPEQB  pattern, Y1, Y3 \
	VPMOVMSKB Y2, mask        \
	VPMOVMSKB Y3, DX          \
	SHLQ      $32, DX         \
	ORQ       DX, mask

// func skipBlocks(p *byte, n int, state *skipState) int
//
// SI next block, CX bytes left, R8 depth, R9 inString, R10 escaped; AX quotes, then the inside of strings, BX
// backslashes, R11 opening and R12 closing brackets.
TEXT ·skipBlocks(SB), NOSPLIT, $0-32
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ state+16(FP), DI
	MOVQ 0(DI), R8
	MOVQ 8(DI), R9
	MOVQ 16(DI), R10

	VPBROADCASTB bytes<>+0(SB), Y8  // quote
	VPBROADCASTB bytes<>+1(SB), Y9  // backslash
	VPBROADCASTB bytes<>+2(SB), Y10 // opening brace
	VPBROADCASTB bytes<>+3(SB), Y11 // closing brace
	VPBROADCASTB bytes<>+4(SB), Y12 // 0x20
	VPCMPEQB     X13, X13, X13

block:
	CMPQ    CX, $64
	JB      out
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	MASK(Y8, AX)
	MASK(Y9, BX)
	VPOR    Y12, Y0, Y0
	VPOR    Y12, Y1, Y1
	MASK(Y10, R11)
	MASK(Y11, R12)

	MOVQ BX, DX
	ORQ  R10, DX
	JZ   strings

	// Adding a run of backslashes to the places behind them carries to its end; whether that is an odd or an even
	// place tells whether the last backslash escapes what follows.
	MOVQ R10, R13
	NOTQ R13
	ANDQ BX, R13
	LEAQ (R13)(R13*1), DX
	ORQ  odd<>(SB), DX
	SUBQ R13, DX
	XORQ odd<>(SB), DX
	ORQ  BX, R10
	XORQ DX, R10 // what is escaped
	NOTQ R10
	ANDQ R10, AX
	ANDQ BX, DX
	SHRQ $63, DX
	MOVQ DX, R10

strings:
	VMOVQ      AX, X2
	VPCLMULQDQ $0, X13, X2, X2
	VMOVQ      X2, AX
	XORQ       R9, AX
	MOVQ       AX, R9
	SARQ       $63, R9
	NOTQ       AX
	ANDQ       AX, R11
	ANDQ       AX, R12
	POPCNTQ    R12, DX
	CMPQ       DX, R8
	JAE        ending
	POPCNTQ    R11, R13
	ADDQ       R13, R8
	SUBQ       DX, R8

next:
	ADDQ $64, SI
	SUBQ $64, CX
	JMP  block

	// As many brackets are closed as were open before: one of them may be the last. AX counts those passed.
ending:
	XORQ AX, AX

closing:
	TESTQ   R12, R12
	JZ      open
	TZCNTQ  R12, DX
	BZHIQ   DX, R11, R13
	POPCNTQ R13, R13
	ADDQ    R8, R13
	SUBQ    AX, R13
	CMPQ    R13, $1
	JE      found
	INCQ    AX
	LEAQ    -1(R12), R13
	ANDQ    R13, R12
	JMP     closing

open:
	POPCNTQ R11, R13
	ADDQ    R13, R8
	SUBQ    AX, R8
	JMP     next

found:
	SUBQ p+0(FP), SI
	LEAQ 1(SI)(DX*1), AX
	VZEROUPPER
	MOVQ AX, ret+24(FP)
	RET

out:
	MOVQ R8, 0(DI)
	MOVQ R9, 8(DI)
	MOVQ R10, 16(DI)
	SUBQ p+0(FP), SI
	MOVQ SI, 24(DI)
	VZEROUPPER
	MOVQ $-1, AX
	MOVQ AX, ret+24(FP)
	RET
